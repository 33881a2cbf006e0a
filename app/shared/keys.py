"""The names of everything that Kavox keeps in Redis.

    kavox:job:<id>                 hash    one job (app/shared/job.py says which fields)
    kavox:batch:<id>               hash    one batch (app/shared/batch.py says which fields)
    kavox:batch:<id>:jobs          list    its jobs, in order
    kavox:batch:<id>:files         set     names of audio that was joined for it
    kavox:batches:<caller>         zset    a caller's batches, in the order of their ids
    kavox:batches_ended            zset    batches whose jobs have all ended and whose audio is kept, by time of the end
    kavox:batches_expired          zset    those whose audio is gone, by time of the end
    kavox:lane:<lane>              zset    waiting jobs of a lane by score, the next one first
    kavox:lane:<lane>:of:<caller>  zset    those of one caller, in the same order
    kavox:lane:<lane>:callers      set     callers with jobs in it
    kavox:lane:<lane>:pause        string  why the lane must not be claimed from, as JSON, gone when it may be again
    kavox:lane:<lane>:busy         string  why nothing could be claimed from it a moment ago, as JSON
    kavox:lane:<lane>:failures     string  how many of its runs in a row were not even pushed
    kavox:lane:<lane>:woken        string  a wake-up for this lane is under way
    kavox:lane:<lane>:fallbacks    set     its waiting jobs that may be spoken elsewhere when there is no quota
    kavox:lanes                    set     lanes that have had jobs
    kavox:queued                   zset    every waiting job by the time at which it gives up
    kavox:running                  zset    every job that is part of a run, by the time at which it became one
    kavox:changed:job              channel the id of a job or a batch that has just changed
    kavox:changed:lane             channel a lane whose waiting jobs now stand differently, or wait for something else
    kavox:paces                    hash    by lane: how long its runs take (app/shared/eta.py)
    kavox:served                   hash    speech seconds given to each caller, as fairness counts them
    kavox:finished                 zset    ended jobs whose audio is kept, by time of their end
    kavox:expired                  zset    ended jobs whose audio is gone, by time of their end
    kavox:same:<fingerprint>       string  the job of a caller's latest request that is the same but for its time
    kavox:once:<key>               string  digest of a request and the job it led to, by its caller's Idempotency-Key
    kavox:leader:<result key>      string  the job that is spoken for all requests that are spoken alike
    kavox:followers:<job>          set     jobs that share its synthesis
    kavox:followed                 set     jobs with followers
    kavox:result:<result key>      string  kept speech, as JSON (app/shared/result_cache.py)
    kavox:results                  zset    kept speech by the time of its last use
    kavox:results_bytes            string  how much of it there is
    kavox:results_removed          set     <file id>:<sha256> of audio that the sweep is still to delete
    kavox:answering                zset    <job>:<sha256> of jobs that are being given kept speech, by time
    kavox:metrics                  hash    counters and histograms (app/shared/metrics.py)
    kavox:savings:<caller>         hash    what a caller's kept and shared speech has saved, and how much there is
    kavox:jobs:<caller>[:<status>] zset    a caller's jobs, in the order of their ids
    kavox:run:<id>                 hash    one run (workers/run.py says which fields)
    kavox:run:<id>:lease           string  the worker that owns the run, gone when it has not renewed
    kavox:run:<id>:cancels         set     its jobs that are to be cancelled
    kavox:run:<id>:phases          hash    when it entered each phase first
    kavox:family:<id>              string  how many parts of a run that was split have failed as a whole
    kavox:runs:<sessions>          zset    open runs by time of creation; sessions: gpu, own_gpu or cpu
    kavox:logs                     zset    runs whose log is kept, by time of its storing
    kavox:swept:<host>             string  orphans were looked for on this host a short while ago
    kavox:leftovers                set     <host>/<slug> of kernels that are still to be deleted
    kavox:voice:<id>               hash    one cloned voice (app/shared/voice_store.py says which fields)
    kavox:voices:<caller>          zset    a caller's cloned voices, in the order of their ids
    kavox:removed_voices           hash    by id: file and hosts of a recording that the sweep is still to delete
    kavox:quota:<host>             hash    what Kaggle last said of the GPU quota (app/shared/quota.py: which fields)
    kavox:quota:<host>:fresh       string  that reading still counts, or cannot be had for the moment
    kavox:quota:<host>:wanted      string  somebody wants to know the quota
    kavox:gpu_ledger:<host>:<week> hash    GPU seconds billed to each caller in the week that began then
    kavox:api_keys                 hash    by id: one key of an app, as JSON (app/shared/api_key.py)
    kavox:api_keys:used            hash    by id: when a key was used last, in seconds since 1970, to the minute
    kavox:changed:api_keys         channel the id of a key that is new or revoked
    kavox:limits:…                 list    when a caller's last requests came, of those that have a limit (`limits`)
    kavox:delivery:<id>            hash    one event for one URL (app/shared/deliveries.py says which fields)
    kavox:delivery:<id>:attempts   list    how it was tried, as JSON
    kavox:deliveries:<subject>     list    deliveries that tell of a job, or of something else
    kavox:due_destinations         zset    destinations with deliveries that are to be made, by time of the next one
    kavox:due:<destination>        zset    those deliveries by time; of one that is being made, when its lease ends
    kavox:sending:<destination>    zset    deliveries that are being made, by the end of their lease
    kavox:sending_for:<caller>     zset    all of a caller's that are being made, in the same way
    kavox:resting:<destination>    string  until when it has asked not to be sent anything
    kavox:gone:<caller and URL>    string  when the URL has answered 410
    kavox:webhook_secrets:<caller> zset    what signs a caller's webhooks, by the time until which it does
    kavox:workers                  zset    workers by time of their last sign of life
    kavox:worker:<name>            string  what a worker says of itself
    kavox:machine:<machine>        string  a worker of that machine has been heard of lately
    kavox:hosts                    hash    by host: when a worker was last heard of that can run on it; for a minute

The scripts build further names from the ones passed to them, so Redis Cluster is not supported.
"""

JOB = "kavox:job:"
BATCH = "kavox:batch:"
BATCHES = "kavox:batches:"
BATCHES_ENDED = "kavox:batches_ended"
BATCHES_EXPIRED = "kavox:batches_expired"
LANE = "kavox:lane:"
LANES = "kavox:lanes"
QUEUED = "kavox:queued"
RUNNING = "kavox:running"
SERVED = "kavox:served"
CHANGED_JOB = "kavox:changed:job"
CHANGED_LANE = "kavox:changed:lane"
PACES = "kavox:paces"
FINISHED = "kavox:finished"
EXPIRED = "kavox:expired"
JOBS = "kavox:jobs:"
SAME = "kavox:same:"
ONCE = "kavox:once:"
LEADER = "kavox:leader:"
FOLLOWERS = "kavox:followers:"
FOLLOWED = "kavox:followed"
RESULT = "kavox:result:"
RESULTS = "kavox:results"
RESULTS_BYTES = "kavox:results_bytes"
REMOVED_RESULTS = "kavox:results_removed"
ANSWERING = "kavox:answering"
METRICS = "kavox:metrics"
SAVINGS = "kavox:savings:"
RUN = "kavox:run:"
RUNS = "kavox:runs:"
FAMILY = "kavox:family:"
LOGS = "kavox:logs"
SWEPT = "kavox:swept:"
LEFTOVERS = "kavox:leftovers"
VOICE = "kavox:voice:"
VOICES = "kavox:voices:"
REMOVED_VOICES = "kavox:removed_voices"
QUOTA = "kavox:quota:"
GPU_LEDGER = "kavox:gpu_ledger:"
API_KEYS = "kavox:api_keys"
API_KEYS_USED = "kavox:api_keys:used"
CHANGED_KEYS = "kavox:changed:api_keys"
LIMITS = "kavox:limits"
DELIVERY = "kavox:delivery:"
DELIVERIES = "kavox:deliveries:"
DUE_DESTINATIONS = "kavox:due_destinations"
DUE_DELIVERIES = "kavox:due:"
SENDING_DELIVERIES = "kavox:sending:"
SENDING_FOR_CALLER = "kavox:sending_for:"
RESTING_DESTINATION = "kavox:resting:"
GONE = "kavox:gone:"
WEBHOOK_SECRETS = "kavox:webhook_secrets:"
WORKERS = "kavox:workers"
WORKER = "kavox:worker:"
MACHINE = "kavox:machine:"
HOSTS = "kavox:hosts"
