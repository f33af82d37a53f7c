"""Images from outside: decoding, fitting to a strip, reading, drawing. No stage depends on any of it."""
