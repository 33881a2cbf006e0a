"""A stand-in for Kaggle's API, for tests, demos and work without an account: `python -m workers.emulator`.

It is Kaggle *as understood from its client and its users' reports*; nothing here was ever checked against the live
service. Facts are cited where they are used: `cli#N` is an issue or pull request of Kaggle/kaggle-cli, other names are
files of the packages `kaggle` 2.2.4 and `kagglesdk` 0.1.37.

Kaggle's own unmodified command line works against it (kernels and datasets), and a pushed notebook is really executed,
with papermill, in a process of its own. What it does not do: it has no GPU, no models or competitions, one account, no
interactive sessions and no isolation beyond a working directory and an environment without credentials; a pushed
notebook can do what the person who runs the emulator can. So it listens on loopback only.

It imports nothing of ours, so that a misunderstanding of the wire cannot pass on both sides.

    __main__ ─► server ─► application ─► kernels ─► sessions ─► launcher ┄┄► runner ─► execution
    options               auth, stream,  rules,     clock,                   (a detached process)
                          control, wire  quota,     scripts   (in place of a runner)
                          faults ─►      outputs,   workspace ◄──────────────┘
                          effects        elsewhere, logs ◄───────────────────┘
                                         store      ▲
                          blobs ◄─────── datasets ──┘ files that a session finds among its inputs

What it can be told to do wrong, or to show without executing anything, is in control.py.
"""
