"""OpenAI's audio, images, files and moderations: bodies in JSON or as a form."""
