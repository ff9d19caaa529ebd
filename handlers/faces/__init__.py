"""The endpoints of the drop-in faces: OpenAI, Anthropic, Ollama and Gemini."""
