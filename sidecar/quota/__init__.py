"""What an upstream's refusal for lack of room looks like: rules as data, and how they are read. Pure."""
