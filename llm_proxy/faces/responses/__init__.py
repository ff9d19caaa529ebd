"""OpenAI's Responses API as clients speak it: requests read, answers written."""
