"""The container of each engine that runs as a pod, written as a user of that engine would."""

from controllers.plan import Object
from controllers.pods import HTTP_PORT, http_probe
from crds.engines import LlamaCpp, Vllm
from crds.ensemble import Member

MODELS_DIR = "/models"
#: A model that comes by uri, read-only.
FETCHED_DIR = f"{MODELS_DIR}/fetched"
HUGGINGFACE_DIR = "/var/run/fabula/huggingface"
#: A model may take this long to be fetched, loaded and warm.
START_SECONDS = 3600
#: Liveness is the process and nothing more: a busy engine must not be killed at peak.
LIVENESS = {"period": 20, "timeout": 10, "failures": 9}
READINESS = {"period": 3, "timeout": 2, "failures": 2}

#: vLLM has no endpoint that generates; this asks it for one token from inside.
STARTUP_CHECK = """\
import json, sys, urllib.request
body = json.dumps({"model": sys.argv[1], "prompt": "Hello", "max_tokens": 1}).encode()
head = {"Content-Type": "application/json"}
url = "http://127.0.0.1:%d/v1/completions" % int(sys.argv[2])
answer = json.load(urllib.request.urlopen(urllib.request.Request(url, body, head), timeout=25))
sys.exit(0 if answer["usage"]["completion_tokens"] >= 1 else 1)
"""


def llamacpp_container(member: Member, engine: LlamaCpp) -> Object:
    """llama.cpp behind the wrapper of the engine image."""
    model = engine.model
    source = (
        ["--model-package", model.package]
        if model.package
        else ["--model-path", model.path or FETCHED_DIR]
    )
    return {
        "args": [
            *source,
            "--served-name",
            member.name,
            "--context-tokens",
            str(engine.context_tokens),
            "--parallel",
            str(engine.parallel),
            "--threads",
            str(engine.threads),
            "--drain-seconds",
            str(drain_seconds(member)),
            *engine.extra_args,
        ],
        "startupProbe": http_probe("/startupz", period=1, timeout=30, failures=START_SECONDS),
        "readinessProbe": http_probe("/readyz", **READINESS),
        "livenessProbe": http_probe("/livez", **LIVENESS),
    }


def vllm_container(member: Member, engine: Vllm) -> Object:
    """vLLM's own OpenAI-compatible server."""
    model = engine.model.repository or engine.model.path or FETCHED_DIR
    args = [
        model,
        "--served-model-name",
        member.name,
        "--host",
        "0.0.0.0",  # noqa: S104 - the pod's own address; who may call is the network's matter
        "--port",
        str(HTTP_PORT),
        "--tensor-parallel-size",
        str(engine.tensor_parallel),
        "--shutdown-timeout",
        str(engine.shutdown_timeout_seconds),
    ]
    if engine.context_tokens:
        args += ["--max-model-len", str(engine.context_tokens)]
    env = {
        # The image's user has no home; these are the places that vLLM and torch write to.
        "HOME": "/tmp",  # noqa: S108 - an emptyDir of this pod
        "USER": "fabula",
        "HF_HOME": f"{MODELS_DIR}/huggingface",
        "VLLM_CACHE_ROOT": f"{MODELS_DIR}/vllm",
        "VLLM_NO_USAGE_STATS": "1",
    }
    if engine.token_secret_ref:
        env["HF_TOKEN_PATH"] = f"{HUGGINGFACE_DIR}/{engine.token_secret_ref.key}"
    probe = {
        "exec": {"command": ["python3", "-c", STARTUP_CHECK, member.name, str(HTTP_PORT)]},
        "periodSeconds": 5,
        "timeoutSeconds": 30,
        "failureThreshold": START_SECONDS // 5,
    }
    return {
        "command": ["vllm", "serve"],
        "args": [*args, *engine.extra_args],
        "env": [{"name": key, "value": value} for key, value in env.items()],
        "startupProbe": probe,
        "readinessProbe": http_probe("/health", **READINESS),
        "livenessProbe": http_probe("/health", **LIVENESS),
    }


def container(member: Member) -> Object:
    """The engine's part of the container of a member that runs as a pod."""
    if member.engine.vllm:
        return vllm_container(member, member.engine.vllm)
    if member.engine.llamacpp:
        return llamacpp_container(member, member.engine.llamacpp)
    raise ValueError(f"member {member.name} runs no pod")


def drain_seconds(member: Member) -> int:
    """How long running generations may finish when a pod is stopped."""
    return member.engine.vllm.shutdown_timeout_seconds if member.engine.vllm else 20
