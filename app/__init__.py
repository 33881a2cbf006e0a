"""From a request to a job, and from a job to its audio: the half of Kavox that speaks HTTP.

1. `main.py` builds the service: settings, manifests, connections, routes.
2. `api/request_context.py` and `api/body_limit.py` see every request first: its id, its size.
3. `api/json_body.py` reads the body of POST /synthesize and holds it against `api/schemas.py`.
4. `api/admission.py` decides whether it can be spoken, by which provider (`shared/provider.py`) and on which host.
5. `api/synthesis.py` writes the job (`shared/job.py`) and its place in the lane at once (`shared/job_store.py`) …
6. … and wakes a worker by a dotted name (`shared/job_queue.py`). The 202 leaves; `workers/synthesis.py` goes on.
7. `api/jobs.py` shows how far the job has come, `api/audio.py` streams what it became from `shared/audio_store.py`, and
   `api/batches.py`, `api/batch_audio.py` and `api/captions.py` do so for many jobs at once.
   `api/deliveries.py` shows what receivers were told of it (`shared/deliveries.py`), which workers send.
8. `api/voices.py` lists what can be asked for, `api/cloning.py` takes a caller's own voice; `api/operations.py` says
   whether the service is well; `api/page.py` serves the page that shows it all to people.
9. Whatever goes wrong is an error of `shared/errors.py`, which `api/problems.py` turns into problem+json.
10. `cli.py` is the `kavox` command; `commands/` speaks to a service as its clients do (`client.py`), and `stack.py`
    starts all processes of `kavox serve` and keeps them running.
"""
