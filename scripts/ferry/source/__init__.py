"""The portal and its bytes, proven on disk."""
