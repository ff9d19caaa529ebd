"""Google's Gemini API as clients speak it: requests read, answers written."""
