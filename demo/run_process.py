"""One of the product's own processes, with the adapter for local-slack around it.

`python -m demo.run_process bot|worker|jobs`, with the environment the product asks for.
"""

import sys

import app
from demo.adapter import MIDDLEWARE, register_app, wrap_client

HOOKS = app.Hooks(wrap_client=wrap_client, middleware=MIDDLEWARE, on_app_built=register_app)

if __name__ == "__main__":
    sys.exit(app.main(sys.argv[1:], hooks=HOOKS))
