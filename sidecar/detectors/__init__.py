"""Exchange ⇒ Event; pure: no clock, no I/O, no settings but those handed in."""
