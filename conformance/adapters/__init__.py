"""Other people's implementations, as they are: started, driven and watched."""
