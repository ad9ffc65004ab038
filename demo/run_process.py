"""`python -m demo.run_process bot|worker|jobs`: a product process with the local-slack adapter."""

import sys

import app
from demo.adapter import MIDDLEWARE, register_app, wrap_client

HOOKS = app.Hooks(wrap_client=wrap_client, middleware=MIDDLEWARE, on_app_built=register_app)

if __name__ == "__main__":
    sys.exit(app.main(sys.argv[1:], hooks=HOOKS))
