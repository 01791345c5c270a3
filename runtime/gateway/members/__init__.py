"""The members of the ensemble as this gateway sees them: who answers, and which variant does."""
