"""A Keycloak on loopback.

    keycloak.py seed HOME     starts it once, so that HOME/seed is a database with an administrator in it
    keycloak.py serve HOME [--lasting]
                              starts it with a copy of that, for as long as standard input is open, and prints `URL=…`,
                              `USER=…` and `PASSWORD=…` when it answers; with the memory and the compiler of one that lasts

Nobody can reach it from outside, and nothing in it is anybody's: the administrator's password is no secret.
"""

import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

command, home, *options = sys.argv[1:]
lasting = options == ["--lasting"]
user, password = "admin", "admin"
leash = os.path.join(os.path.dirname(os.path.abspath(__file__)), "leash")
folder = tempfile.mkdtemp(prefix="tenantry-keycloak-")
log = os.path.join(folder, "log")
server = None


def end(*_):
    if server is not None:
        # The leash ends Java, and `kc.sh` ends with it.
        server.stdin.close()
        server.wait()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def wait_for_the_end():
    sys.stdin.buffer.read()
    end()


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


def java():
    """What `kc.sh` takes for Java: Java on a leash. It does not become Java but waits for it, so a leash of its own would end it
    and leave Java behind."""
    path = os.path.join(folder, "java")
    program = os.path.join(os.environ["JAVA_HOME"], "bin", "java") if os.environ.get("JAVA_HOME") else "java"
    with open(path, "w") as script:
        script.write(f'#!/bin/sh\nexec {shlex.quote(leash)} {shlex.quote(program)} "$@"\n')
    os.chmod(path, 0o755)
    return path


def start(port):
    environment = os.environ | {
        "JAVA": java(),
        "KC_BOOTSTRAP_ADMIN_USERNAME": user,
        "KC_BOOTSTRAP_ADMIN_PASSWORD": password,
        "JAVA_OPTS_KC_HEAP": "-Xms64m -Xmx2g" if lasting else "-Xms64m -Xmx512m",
        # Half the CPU time of a start goes into compiling better than a test needs.
        "JAVA_OPTS_APPEND": "" if lasting else "-XX:TieredStopAtLevel=1",
    }
    # Should we be killed, the other end of the pipe is closed with us, and the leash does what we could not.
    with open(log, "w") as out:
        return subprocess.Popen(
            [
                os.path.join(home, "bin", "kc.sh"),
                "start",
                "--optimized",
                f"--db-url=jdbc:h2:file:{folder}/h2/keycloakdb;NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=0",
                "--http-enabled=true",
                "--hostname-strict=false",
                "--http-host=127.0.0.1",
                f"--http-port={port}",
            ],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            env=environment,
        )


def ready(url):
    try:
        with urllib.request.urlopen(f"{url}/realms/master", timeout=10) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def wait_until_ready(url):
    until = time.monotonic() + 300
    while not ready(url):
        ended = server.poll() is not None
        if ended or time.monotonic() > until:
            with open(log, errors="replace") as text:
                sys.stderr.write(f"Keycloak {'ended' if ended else 'is not ready after five minutes'}:\n{text.read()[-3000:]}\n")
            end()
        time.sleep(0.1)


for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
    signal.signal(name, end)
if command == "serve":
    threading.Thread(target=wait_for_the_end, daemon=True).start()
    shutil.copytree(os.path.join(home, "seed"), os.path.join(folder, "h2"))
url = f"http://127.0.0.1:{free_port()}"
server = start(int(url.rsplit(":", 1)[1]))
wait_until_ready(url)
if command == "seed":
    # Asked to end, it writes everything.
    server.terminate()
    server.wait(120)
    shutil.copytree(os.path.join(folder, "h2"), os.path.join(home, "seed"))
    end()
print(f"URL={url}\nUSER={user}\nPASSWORD={password}", flush=True)
while True:
    signal.pause()
