"""An agent over HTTP and WebSockets: `server` runs `app`, whose one thread with the model is `engine`.

A request passes `gate` (who may ask, how often), is read by `wire` and `bodies` (malformed ones are a `Refused` that
names the field), and waits for `engine`, which takes what is there in one forward pass.
"""
