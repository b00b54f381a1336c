# Programs that `pip install` puts into the home directory.
PATH="$HOME/.local/bin:$PATH"
