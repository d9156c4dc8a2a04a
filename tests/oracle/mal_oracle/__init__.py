"""An independent implementation of MAL's models, losses and optimisers; see ../README.md."""
