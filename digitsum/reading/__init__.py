"""Images from outside: decoding, fitting to strips, reading and drawing. No stage depends on this package."""
