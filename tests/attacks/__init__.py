"""The attack suite: small candidates that try to escape or to lie, run through the real loop. `make attacks` prints them."""
