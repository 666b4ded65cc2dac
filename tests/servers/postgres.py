"""A PostgreSQL server with throw-away data: postgres.py PROGRAMS FOLDER [--tls] [--durable]

PROGRAMS is the folder of `initdb` and `postgres`. It listens on a free port on 127.0.0.1 and prints, in lines of `NAME=VALUE`:
`VERSION`; `PORT`; and `PASSWORD`, of the superuser `postgres`. With `--tls` there are `ca.pem` and `other.pem` (an authority that
signed nothing here) in FOLDER, and a certificate for `localhost`. With `--durable` it waits for the disk, as one that is meant
does. It ends with its standard input, and takes its data with it.
"""

import argparse
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("programs")
parser.add_argument("folder", nargs="?")
parser.add_argument("--tls", action="store_true")
parser.add_argument("--durable", action="store_true")
args = parser.parse_args()

here = os.path.dirname(os.path.abspath(__file__))


def somebody():
    """Who the server runs as: never root, which it refuses."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    sys.exit("there is nobody to run PostgreSQL as: make a user `postgres`")


user = somebody()
data = tempfile.mkdtemp(prefix="tenantry-postgres-")
if user:
    os.chown(data, user.pw_uid, user.pw_gid)


def step_down():
    if user:
        os.setgroups([])
        os.setgid(user.pw_gid)
        os.setuid(user.pw_uid)


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", **options)
    if done.returncode != 0:
        sys.exit(f"{command[0]}: {done.stderr}{done.stdout}")


def own(path, content):
    with open(path, "w") as file:
        file.write(content)
    os.chmod(path, 0o600)
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


def authority(name):
    key, certificate = os.path.join(data, f"{name}.key"), os.path.join(args.folder, f"{name}.pem")
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", f"/CN={name}", "-keyout", key, "-out", certificate)
    return key, certificate


def certify():
    key, certificate = authority("ca")
    authority("other")
    server, request, extensions = (os.path.join(data, name) for name in ("server.key", "server.csr", "server.ext"))
    run("openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost",
        "-keyout", server, "-out", request)
    own(extensions, "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n")
    run("openssl", "x509", "-req", "-in", request, "-CA", certificate, "-CAkey", key, "-CAcreateserial", "-days", "2",
        "-extfile", extensions, "-out", os.path.join(data, "server.crt"))
    for name in ("server.key", "server.crt"):
        with open(os.path.join(data, name)) as file:
            own(os.path.join(data, name), file.read())


def end(*_):
    if server.poll() is None:
        server.send_signal(signal.SIGQUIT)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
    shutil.rmtree(data, ignore_errors=True)
    os._exit(0)


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


password = secrets.token_urlsafe(18)
own(os.path.join(data, "password"), password)
cluster = os.path.join(data, "cluster")
run(os.path.join(args.programs, "initdb"), "--pgdata", cluster, "--username", "postgres", "--pwfile", os.path.join(data, "password"),
    "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync", preexec_fn=step_down)
settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=200",
            "shared_buffers=256MB", "log_min_messages=fatal", "autovacuum_naptime=5s"]
if not args.durable:
    settings += ["fsync=off", "full_page_writes=off"]
if args.tls:
    certify()
    settings += ["ssl=on", f"ssl_cert_file={data}/server.crt", f"ssl_key_file={data}/server.key"]
options = [part for setting in settings for part in ("-c", setting)]

for attempt in range(5):
    port = free_port()
    # The leash kills the server when this process is gone, however that came: its other end is only here.
    server = subprocess.Popen(
        [os.path.join(here, "leash"), os.path.join(args.programs, "postgres"), "-D", cluster, "-p", str(port), *options],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd="/", preexec_fn=step_down)
    said = []
    threading.Thread(target=lambda stream, said: said.extend(stream), args=(server.stderr, said), daemon=True).start()
    began = time.monotonic()
    while server.poll() is None and time.monotonic() - began < 60:
        ready = subprocess.run([os.path.join(args.programs, "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)])
        if ready.returncode == 0:
            break
        time.sleep(0.05)
    else:
        if server.poll() is None:
            server.kill()
        continue
    break
else:
    shutil.rmtree(data, ignore_errors=True)
    sys.exit(f"PostgreSQL does not start: {b''.join(said).decode()}")

for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, end)
version = subprocess.run([os.path.join(args.programs, "postgres"), "--version"], capture_output=True, text=True).stdout.strip()
print(f"VERSION={version}\nPORT={port}\nPASSWORD={password}", flush=True)
sys.stdin.buffer.read()
end()
