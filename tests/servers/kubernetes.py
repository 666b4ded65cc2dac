"""An API server with its etcd, on loopback and for as long as standard input is open.

It prints one line of JSON when it is ready: `server`, its address; `ca`, the file with the authority that signed its
certificate; `folder`, where everything else is: `etcd.log`, `kube-apiserver.log`, `audit.jsonl` (one request a line, once it
was answered), and `kubeconfig` of somebody who may do everything. The folder goes when it ends.

Whoever has the token `admin` may do everything; others are given with `--token`, as lines of `--token-auth-file`.
"""

import argparse
import atexit
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("assets", help="where the programs are")
parser.add_argument("--controller-manager", action="store_true", help="also what deletes namespaces and collects garbage")
parser.add_argument("--token", action="append", default=[], help='TOKEN,USER,UID,"GROUP,GROUP"')
args = parser.parse_args()

leash = os.path.join(os.path.dirname(os.path.abspath(__file__)), "leash")
folder = tempfile.mkdtemp(prefix="tenantry-kubernetes-")
running = []


def file(name, text=None):
    path = os.path.join(folder, name)
    if text is not None:
        with open(path, "w") as out:
            out.write(text)
    return path


def end(*_):
    for child in running:
        child.kill()
    for child in running:
        child.wait()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def wait_for_the_end():
    sys.stdin.buffer.read()
    end()


def start(program, *flags):
    with open(file(f"{program}.log"), "ab") as log:
        # Should we be killed, the other end of the pipe is closed with us, and the leash does what we could not.
        child = subprocess.Popen([leash, os.path.join(args.assets, program), *flags], stdin=subprocess.PIPE, stdout=log, stderr=log)
    running.append(child)
    return child


def free_port():
    # Below the ports that connections are given, so that none of them takes it before the server does.
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as it:
            try:
                it.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def start_api_server(port):
    admission = "" if args.controller_manager else "ServiceAccount"
    return start(
        "kube-apiserver",
        f"--etcd-servers=unix://{file('etcd.sock')}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--cert-dir={folder}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        f"--token-auth-file={file('tokens.csv')}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={file('accounts.key')}",
        f"--service-account-signing-key-file={file('accounts.key')}",
        "--service-cluster-ip-range=10.0.0.0/24",
        f"--disable-admission-plugins={admission}",
        f"--audit-policy-file={file('audit.yaml')}",
        f"--audit-log-path={file('audit.jsonl')}",
    )


def ready(server):
    if not os.path.exists(file("apiserver.crt")):
        return False
    context = ssl.create_default_context(cafile=file("apiserver.crt"))
    request = urllib.request.Request(f"{server}/readyz", headers={"Authorization": "Bearer admin"})
    try:
        with urllib.request.urlopen(request, context=context, timeout=5) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def fail(program, why):
    with open(file(f"{program}.log"), errors="replace") as log:
        sys.stderr.write(f"{program} {why}:\n{log.read()[-3000:]}\n")
    end()


for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, end)
atexit.register(end)
threading.Thread(target=wait_for_the_end, daemon=True).start()

file("tokens.csv", "\n".join(['admin,admin,admin,"system:masters"', *args.token]) + "\n")
file(
    "audit.yaml",
    """apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- { level: None, users: ["system:apiserver"] }
- { level: Metadata }
""",
)
subprocess.run(
    ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", file("accounts.key")], check=True, stdin=subprocess.DEVNULL
)

etcd = start(
    "etcd",
    "--name=etcd",
    f"--data-dir={file('etcd')}",
    "--unsafe-no-fsync",
    "--log-level=warn",
    # It is alone: nobody but the API server speaks with it, and nobody at all by the addresses it advertises.
    f"--listen-client-urls=unix://{file('etcd.sock')}",
    "--advertise-client-urls=http://127.0.0.1:2379",
    f"--listen-peer-urls=unix://{file('peer.sock')}",
    "--initial-advertise-peer-urls=http://127.0.0.1:2380",
    "--initial-cluster=etcd=http://127.0.0.1:2380",
)
port = free_port()
api = start_api_server(port)
tries, until = 1, time.monotonic() + 120
while not ready(f"https://127.0.0.1:{port}"):
    if etcd.poll() is not None:
        fail("etcd", "ended")
    if time.monotonic() > until:
        fail("kube-apiserver", "is not ready after two minutes")
    if api.poll() is not None:
        with open(file("kube-apiserver.log"), errors="replace") as log:
            taken = "address already in use" in log.read()
        if not taken or tries == 5:
            fail("kube-apiserver", "ended")
        running.remove(api)
        tries, port = tries + 1, free_port()
        api = start_api_server(port)
    time.sleep(0.05)

server = f"https://127.0.0.1:{port}"
authority = file("apiserver.crt")
config = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "it", "cluster": {"server": server, "certificate-authority": authority}}],
    "users": [{"name": "it", "user": {"token": "admin"}}],
    "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
    "current-context": "it",
}
file("kubeconfig", json.dumps(config))
if args.controller_manager:
    start(
        "kube-controller-manager",
        f"--kubeconfig={file('kubeconfig')}",
        "--leader-elect=false",
        "--secure-port=0",
        f"--service-account-private-key-file={file('accounts.key')}",
        f"--root-ca-file={authority}",
        "--controllers=namespace-controller,garbage-collector-controller,serviceaccount-controller,"
        "serviceaccount-token-controller,root-ca-certificate-publisher-controller",
    )
print(json.dumps({"server": server, "ca": authority, "folder": folder}), flush=True)
while True:
    signal.pause()
