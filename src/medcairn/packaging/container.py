"""What runs the package: a Dockerfile and Kubernetes manifests, made from the package's name and version.

The container runs as a user without rights on a read-only file system, holds no secret, and keeps what it
must keep (predictions and the ledger) on one volume. One replica, because that volume has one writer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import yaml

PORT = 8080
USER_ID = 10001
STATE_FOLDER = "/var/lib/medcairn"
PACKAGE_FOLDER = "/opt/package"

_Tree: TypeAlias = Mapping[str, object]

_DOCKERFILE = """\
# syntax=docker/dockerfile:1
# Build, with the source tree of medcairn as a named context:
#   docker build --build-context medcairn=PATH_TO_MEDCAIRN -t {image} .
# For a build that can be repeated give the base image by digest: --build-arg BASE_IMAGE=python@sha256:...
ARG BASE_IMAGE=python:3.11-slim

FROM ${{BASE_IMAGE}} AS build
RUN python -m venv /opt/venv
COPY {lock} /tmp/requirements.lock
RUN /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /tmp/requirements.lock
COPY --from=medcairn . /tmp/medcairn
RUN /opt/venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation /tmp/medcairn

FROM ${{BASE_IMAGE}}
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
RUN install -d -m 0700 -o {user} -g {user} {state}
COPY --from=build /opt/venv /opt/venv
COPY . {package}
USER {user}:{user}
VOLUME {state}
EXPOSE {port}
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \\
  CMD ["python", "-c", "from urllib.request import urlopen as u; u('{ready}', timeout=4)"]
ENTRYPOINT ["medcairn", "serve", "{package}", "--state", "{state}", "--host", "0.0.0.0", "--port", "{port}"]
"""


def container_files(name: str, version: str, *, with_lock: bool) -> dict[str, str]:
    """The files by path: ``Dockerfile`` and ``kubernetes/*.yaml``.

    ``with_lock``: the package holds ``requirements.lock``; otherwise the source context's is used.
    """
    app, version = kubernetes_name(name), re.sub(r"[^A-Za-z0-9_.-]", "-", version)[:60].strip("-_.") or "0"
    image = f"{app}:{version}"
    lock = "requirements.lock" if with_lock else "--from=medcairn requirements.lock"
    dockerfile = _DOCKERFILE.format(
        image=image,
        lock=lock,
        user=USER_ID,
        state=STATE_FOLDER,
        package=PACKAGE_FOLDER,
        port=PORT,
        ready=f"http://127.0.0.1:{PORT}/health/ready",
    )
    manifests = {
        "deployment": _deployment(app, version, image),
        "service": _service(app, version),
        "networkpolicy": _network_policy(app, version),
        "persistentvolumeclaim": _claim(app, version),
    }
    files = {f"kubernetes/{kind}.yaml": _yaml(tree) for kind, tree in manifests.items()}
    return {"Dockerfile": dockerfile, **files}


def kubernetes_name(name: str) -> str:
    """``name`` in the form of RFC 1123: lower-case letters, digits and dashes, at most 50 of them."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower())[:50].strip("-") or "model"


def _yaml(tree: _Tree) -> str:
    return yaml.safe_dump(tree, sort_keys=False, width=110)


def _metadata(app: str, version: str) -> _Tree:
    labels = {
        "app.kubernetes.io/name": app,
        "app.kubernetes.io/version": version,
        "app.kubernetes.io/part-of": "medcairn",
    }
    return {"name": app, "labels": labels}


def _selector(app: str) -> _Tree:
    return {"app.kubernetes.io/name": app}


def _deployment(app: str, version: str, image: str) -> _Tree:
    metadata = _metadata(app, version)
    pod = {
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(image)],
        "volumes": [
            {"name": "state", "persistentVolumeClaim": {"claimName": app}},
            {"name": "tmp", "emptyDir": {"sizeLimit": "256Mi"}},
        ],
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": _selector(app)},
            "template": {"metadata": {"labels": metadata["labels"]}, "spec": pod},
        },
    }


def _container(image: str) -> _Tree:
    def probe(path: str, period_seconds: int, failures: int) -> _Tree:
        return {
            "httpGet": {"path": path, "port": "http"},
            "periodSeconds": period_seconds,
            "timeoutSeconds": 5,
            "failureThreshold": failures,
        }

    return {
        "name": "model",
        "image": image,
        "ports": [{"name": "http", "containerPort": PORT}],
        "startupProbe": probe("/health/live", 2, 60),
        "livenessProbe": probe("/health/live", 10, 3),
        "readinessProbe": probe("/health/ready", 10, 3),
        "resources": {
            "requests": {"cpu": "250m", "memory": "512Mi"},
            "limits": {"cpu": "2", "memory": "2Gi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "state", "mountPath": STATE_FOLDER},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
    }


def _service(app: str, version: str) -> _Tree:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(app, version),
        "spec": {
            "type": "ClusterIP",
            "selector": _selector(app),
            "ports": [{"name": "http", "port": 80, "targetPort": "http"}],
        },
    }


def _network_policy(app: str, version: str) -> _Tree:
    clients = {"podSelector": {"matchLabels": {"medcairn/client-of": app}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(app, version),
        "spec": {
            "podSelector": {"matchLabels": _selector(app)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [clients], "ports": [{"protocol": "TCP", "port": PORT}]}],
            "egress": [],
        },
    }


def _claim(app: str, version: str) -> _Tree:
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": _metadata(app, version),
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}},
    }


__all__ = ["PORT", "STATE_FOLDER", "container_files", "kubernetes_name"]
