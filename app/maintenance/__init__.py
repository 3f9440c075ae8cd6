"""Operations on stored calls by operators. None of them runs in a request."""
