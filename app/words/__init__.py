"""What the page says: each text in the language of the visitor, results in words, and the words that Streamlit brings along."""
