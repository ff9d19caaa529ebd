"""OpenAI's legacy completions as clients speak them: requests read, answers written."""
