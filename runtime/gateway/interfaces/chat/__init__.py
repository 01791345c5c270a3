"""The gateway for clients of OpenAI's API: the same ensemble, asked in the words that their SDK
speaks. A model is the storyteller, or one of its members."""
