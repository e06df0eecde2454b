"""The TWS API text protocol: frames, the codec table, sessions and the gateway that serves a world to them."""
