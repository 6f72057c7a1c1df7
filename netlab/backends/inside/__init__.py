"""A lab from inside: PID 1, the supervisor, and what it keeps; one code for every backend.

`supervisor` with `conversation`, `scripts`, `building`, `recorder` and `visits`; `nodes`, `daemons`,
`interpreter`. What comes in from outside is `channel`'s. `applying` changes a lab that goes on, with
`altering`, `restarting` and `ending`, to a plan that comes as a `parcel`.
"""
