"""The control plane's programs and how each is told what to do: arguments in, services out."""

from pathlib import Path

import yaml

from devcluster import files, kubeconfig, network
from devcluster.kubeapi import Api
from devcluster.layout import Layout
from devcluster.ports import listens
from devcluster.processes import Service

ETCD_CLIENT = 2379
_ETCD_PEER = 2380
_CONTROLLER_MANAGER = 10257
_SCHEDULER = 10259
_PROXY = 10256

# Their own limit on calls would make a start wait for seconds.
_UNTHROTTLED = ("--kube-api-qps=200", "--kube-api-burst=400")

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        # What the cluster's own parts read all the time would drown what people and operators do.
        {
            "level": "None",
            "verbs": ["get", "list", "watch"],
            "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"],
        },
        {
            "level": "None",
            "verbs": ["get", "list", "watch"],
            "users": [
                "system:apiserver",
                "system:kube-controller-manager",
                "system:kube-proxy",
                "system:kube-scheduler",
            ],
        },
        {"level": "None", "nonResourceURLs": ["/livez*", "/readyz*", "/healthz*", "/metrics"]},
        {"level": "Metadata"},
    ],
}


def write_files(layout: Layout) -> None:
    """Everything the control plane reads that is not a certificate."""
    if layout.audit:
        layout.audit_log.parent.mkdir(parents=True, exist_ok=True)
        files.write(_audit_policy(layout), yaml.safe_dump(AUDIT_POLICY, sort_keys=False))
    files.write(_proxy_config(layout), yaml.safe_dump(proxy_config(layout), sort_keys=False))
    for identity in ("controller-manager", "scheduler", "proxy"):
        kubeconfig.write(layout, _kubeconfig(layout, identity), identity)
    kubeconfig.write(layout, layout.kubeconfig, "admin")


def etcd(layout: Layout) -> Service:
    client = f"http://127.0.0.1:{ETCD_CLIENT}"
    return _service(
        layout,
        "etcd",
        [
            "etcd",
            "--name=etcd",
            f"--data-dir={layout.state}/etcd",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls=http://127.0.0.1:{_ETCD_PEER}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ],
        ETCD_CLIENT,
    )


def apiserver(layout: Layout, api: Api) -> Service:
    pki = layout.pki
    argv = [
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{ETCD_CLIENT}",
        f"--secure-port={layout.port}",
        f"--advertise-address={layout.node(1).address}",
        f"--service-cluster-ip-range={layout.services}",
        f"--client-ca-file={pki}/ca.crt",
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--kubelet-certificate-authority={pki}/ca.crt",
        f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
        f"--kubelet-client-key={pki}/apiserver-kubelet.key",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/service-accounts.key",
        f"--service-account-signing-key-file={pki}/service-accounts.key",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki}/front-proxy.crt",
        f"--proxy-client-key-file={pki}/front-proxy.key",
        # Its routes reach pods and services only here, inside the cluster's network.
        "--enable-aggregator-routing=true",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
    ]
    if layout.audit:
        argv += [
            f"--audit-policy-file={_audit_policy(layout)}",
            f"--audit-log-path={layout.audit_log}",
            "--audit-log-maxsize=200",
            "--audit-log-maxbackup=2",
        ]
    return Service("kube-apiserver", argv, api.ready, network.enter(layout))


def controller_manager(layout: Layout) -> Service:
    config = _kubeconfig(layout, "controller-manager")
    return _service(
        layout,
        "kube-controller-manager",
        [
            "kube-controller-manager",
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            *_UNTHROTTLED,
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={layout.pki}/service-accounts.key",
            f"--root-ca-file={layout.pki}/ca.crt",
            f"--cluster-signing-cert-file={layout.pki}/ca.crt",
            f"--cluster-signing-key-file={layout.pki}/ca.key",
            f"--flex-volume-plugin-dir={layout.state}/volume-plugins",
            f"--requestheader-client-ca-file={layout.pki}/front-proxy-ca.crt",
        ],
        _CONTROLLER_MANAGER,
    )


def scheduler(layout: Layout) -> Service:
    config = _kubeconfig(layout, "scheduler")
    return _service(
        layout,
        "kube-scheduler",
        [
            "kube-scheduler",
            f"--kubeconfig={config}",
            f"--authentication-kubeconfig={config}",
            f"--authorization-kubeconfig={config}",
            "--bind-address=127.0.0.1",
            "--leader-elect=false",
            *_UNTHROTTLED,
        ],
        _SCHEDULER,
    )


def proxy(layout: Layout) -> Service:
    """One is enough: all nodes share the network in which it writes its rules."""
    return _service(
        layout, "kube-proxy", ["kube-proxy", f"--config={_proxy_config(layout)}"], _PROXY
    )


def proxy_config(layout: Layout) -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": layout.node(1).name,
        "clusterCIDR": str(layout.pods),
        "clientConnection": {"kubeconfig": str(_kubeconfig(layout, "proxy"))},
        "healthzBindAddress": f"127.0.0.1:{_PROXY}",
        "metricsBindAddress": "127.0.0.1:10249",
        # Endpoints that change are followed within a tenth of a second.
        "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
        # The limits belong to the machine, not to this network namespace.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }


def _service(layout: Layout, name: str, argv: list[str], port: int) -> Service:
    return Service(name, argv, lambda: listens(layout, port), network.enter(layout))


def _kubeconfig(layout: Layout, identity: str) -> Path:
    return layout.state / f"{identity}.kubeconfig"


def _audit_policy(layout: Layout) -> Path:
    return layout.state / "audit-policy.yaml"


def _proxy_config(layout: Layout) -> Path:
    return layout.state / "kube-proxy.yaml"
