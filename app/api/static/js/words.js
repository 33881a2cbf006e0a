/** The service's codes in words. */

/** The way of a job: what it passes through, and which phases belong to each station. */
export const STATIONS = [
  { name: "Waiting", phases: ["waiting", "waiting_for_session", "waiting_for_quota"] },
  { name: "Sending", phases: ["pushing"] },
  { name: "Kernel queued", phases: ["kernel_queued"] },
  { name: "Installing", phases: ["installing"] },
  { name: "Loading", phases: ["loading"] },
  { name: "Speaking", phases: ["synthesizing"] },
  { name: "Fetching", phases: ["downloading"] },
  { name: "Checking", phases: ["checking"] },
];

const PHASES = {
  waiting: "Waiting for its turn",
  waiting_for_session: "Waiting for a free session",
  waiting_for_quota: "Waiting for GPU quota",
  pushing: "Sending the notebook",
  kernel_queued: "The kernel waits for a machine",
  installing: "Installing the engine",
  loading: "Loading the model",
  synthesizing: "Speaking",
  downloading: "Fetching the audio",
  checking: "Checking the audio",
};

const STATUSES = {
  queued: "Waiting",
  running: "Running",
  canceling: "Cancelling",
  succeeded: "Succeeded",
  failed: "Failed",
  canceled: "Cancelled",
};

const HOSTS = {
  kaggle: { label: "Kaggle", note: "Spoken on Kaggle", kind: "real" },
  emulator: {
    label: "Emulated",
    note: "Spoken on this machine, by the emulator that stands in for Kaggle",
    kind: "emulated",
  },
  local: { label: "This machine", note: "Spoken on the worker's own machine, without Kaggle", kind: "local" },
};

/** Whether a job of this status has ended. */
export const hasEnded = (status) => ["succeeded", "failed", "canceled"].includes(status);

/** What a job does now. */
export const doing = ({ status, phase }) =>
  hasEnded(status) || status === "canceling" ? STATUSES[status] : (PHASES[phase] ?? STATUSES[status]);

/** A status in a word. */
export const statusWord = (status) => STATUSES[status] ?? status;

/** What is told of a host: label, note and kind (real, emulated or local). */
export const hostWords = (host) => HOSTS[host] ?? { label: host, note: host, kind: "local" };
