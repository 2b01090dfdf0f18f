"""What holds where harbor.yml does not say otherwise. Each value stands here once; docs/configuration.md explains the keys."""

from typing import Final

DEFAULT_PROJECT: Final = "library"  #: events.default_project: of repositories without a slash
CHART_FORM_FIELD: Final = "chart"  #: chart_repository.form_field

PULL_HOLD_S: Final = 3.0  #: events.pull_hold_s
PUSH_HOLD_S: Final = 30.0  #: events.push_hold_s

MAX_RETRY: Final = 10  #: notification.webhook_job_max_retry, Harbor's own
ATTEMPT_TIMEOUT_S: Final = 10.0  #: notification.webhook_job_http_client_timeout
RETRY_WAITS_S: Final = (5.0, 30.0, 300.0, 1800.0, 7200.0, 18000.0)  #: notification.retry_waits_s
TARGET_CONCURRENCY: Final = 8  #: notification.target_concurrency

CONNECT_TIMEOUT_S: Final = 5.0  #: connect_timeout_s
LOOK_UP_TIMEOUT_S: Final = 2.0  #: look_up_timeout_s

#: trusted_proxies: the addresses of ingress controllers, sidecars and load balancers of a cluster.
PRIVATE_NETWORKS: Final = (
    "127.0.0.0/8",
    "::1/128",
    "10.0.0.0/8",
    "172.16.0.0/12",
    "192.168.0.0/16",
    "fc00::/7",
)

CLIENT_MEMORY: Final = "256MiB"  #: limits.client_memory
CLIENT_MEMORY_BYTES: Final = int(CLIENT_MEMORY.removesuffix("MiB")) << 20
HEAD_TIMEOUT_S: Final = 30.0  #: limits.head_timeout_s
BODY_TIMEOUT_S: Final = 60.0  #: limits.body_timeout_s
IDLE_TIMEOUT_S: Final = 3600.0  #: limits.idle_timeout_s
STALL_TIMEOUT_S: Final = 600.0  #: limits.stall_timeout_s
