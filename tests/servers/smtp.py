"""A mail server that misbehaves on request.

It listens on a port of its own choice on 127.0.0.1, prints `PORT=…` once it does, and ends with its standard input. In FOLDER
it leaves `N.eml` for each letter it took, with the recipient and sender in `N.to`; `wire`, every byte it was sent (under TLS:
after decryption); and `ca.pem`, the throw-away authority that signed its certificate.
"""

import argparse
import asyncio
import logging
import os
import ssl
import sys
import threading
import warnings

import trustme
from aiosmtpd.smtp import SMTP, AuthResult

# It is meant to be insecure, and to lose connections.
warnings.simplefilter("ignore")
logging.getLogger("mail.log").setLevel(logging.CRITICAL + 1)

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--tls", choices=["none", "starttls", "implicit"], default="none")
parser.add_argument("--name", default="localhost", help="the name in the certificate")
parser.add_argument("--user", help="USER:PASSWORD, without which nothing is taken")
parser.add_argument("--mechanism", choices=["PLAIN", "LOGIN"], help="the only way to sign in")
parser.add_argument("--refuse", help="a recipient that does not exist")
parser.add_argument("--defer", help="a recipient for later")
parser.add_argument("--relay", help="a recipient we do not send mail to for anybody")
parser.add_argument("--spam", help="a recipient whose letters are refused, and quoted")
parser.add_argument("--hang-up-after", type=int, help="letters that one connection may bring")
parser.add_argument("--drop", help="a recipient at whose letter the connection is lost")
parser.add_argument("--greeting", help="said instead of 220, before hanging up")
parser.add_argument("--slow", type=float, default=0, help="seconds before each answer to a letter")
parser.add_argument("--no-utf8", action="store_true", help="takes no addresses beyond ASCII")
args = parser.parse_args()

authority = trustme.CA()
authority.cert_pem.write_to_path(os.path.join(args.folder, "ca.pem"))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
authority.issue_cert(args.name).configure_cert(context)

wire = open(os.path.join(args.folder, "wire"), "ab", buffering=0)
counts = {"letters": 0, "connections": 0, "open": 0, "most": 0}


def tell():
    with open(os.path.join(args.folder, "counts.tmp"), "w") as file:
        file.write("".join(f"{name}={value}\n" for name, value in counts.items()))
    os.rename(file.name, os.path.join(args.folder, "counts"))


class Server(SMTP):
    def connection_made(self, transport):
        if not hasattr(self, "counted"):
            self.counted = True
            counts["connections"] += 1
            counts["open"] += 1
            counts["most"] = max(counts["most"], counts["open"])
            tell()
        super().connection_made(transport)

    def connection_lost(self, error):
        counts["open"] -= 1
        super().connection_lost(error)

    def data_received(self, data):
        wire.write(data)
        super().data_received(data)


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address == args.refuse:
            return "550 5.1.1 no such mailbox"
        if address == args.defer:
            return "451 4.7.1 greylisted, try again later"
        if address == args.relay:
            return "554 5.7.1 relay access denied"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if args.slow:
            await asyncio.sleep(args.slow)
        if args.drop in envelope.rcpt_tos:
            server.transport.abort()
            return "250 OK"
        if args.spam in envelope.rcpt_tos:
            text = envelope.content.decode("utf-8", "replace")
            quoted = next((line for line in text.splitlines() if line.startswith("https://")), "nothing")
            return f"554 5.6.0 this looks like spam: {quoted}"
        private = session.ssl is not None or server.transport.get_extra_info("ssl_object") is not None
        counts["letters"] += 1
        base = os.path.join(args.folder, str(counts["letters"]))
        with open(base + ".to", "w") as file:
            file.write(f"{','.join(envelope.rcpt_tos)}\n{envelope.mail_from}\n{private}\n")
        with open(base + ".tmp", "wb") as file:
            file.write(envelope.original_content)
        os.rename(base + ".tmp", base + ".eml")
        tell()
        session.letters = getattr(session, "letters", 0) + 1
        if session.letters == args.hang_up_after:
            asyncio.get_running_loop().call_later(0.02, server.transport.close)
        return "250 OK"


def authenticate(server, session, envelope, mechanism, data):
    given = f"{data.login.decode()}:{data.password.decode()}"
    return AuthResult(success=given == args.user, handled=False)


def protocol():
    return Server(
        Handler(),
        hostname="localhost",
        enable_SMTPUTF8=not args.no_utf8,
        tls_context=context if args.tls == "starttls" else None,
        require_starttls=args.tls == "starttls",
        authenticator=authenticate if args.user else None,
        auth_required=bool(args.user),
        # Without an account it offers no way to sign in.
        auth_require_tls=args.tls == "starttls" or not args.user,
        auth_exclude_mechanism=[it for it in ("PLAIN", "LOGIN") if args.mechanism not in (None, it)],
    )


async def turn_away(reader, writer):
    writer.write(args.greeting.encode() + b"\r\n")
    await writer.drain()
    writer.close()


async def main():
    loop = asyncio.get_running_loop()
    outer = context if args.tls == "implicit" else None
    if args.greeting:
        server = await asyncio.start_server(turn_away, "127.0.0.1", 0, ssl=outer)
    else:
        server = await loop.create_server(protocol, "127.0.0.1", 0, ssl=outer)
    print(f"PORT={server.sockets[0].getsockname()[1]}", flush=True)
    await server.serve_forever()


def wait_for_the_end():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=wait_for_the_end, daemon=True).start()
asyncio.run(main())
