#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""A real mail server on loopback for the demo: STARTTLS and a login are required; each mail becomes one file.

smtp_server.py --port 8431 --certificate FILE --key FILE --user NAME --password-file FILE --mails FOLDER
"""
import argparse
import asyncio
import pathlib
import signal
import ssl
import uuid

from aiosmtpd.smtp import SMTP, AuthResult


class Keeper:
    """Writes mails as files that appear whole: NUMBER.eml in order of arrival."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.count = max((int(path.stem) for path in folder.glob("[0-9]*.eml")), default=0)

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 (a name of aiosmtpd)
        self.count += 1
        draft = self.folder / f".{uuid.uuid4().hex}"
        to = ", ".join(envelope.rcpt_tos)
        draft.write_bytes(f"X-Envelope-To: {to}\r\n".encode() + envelope.content)
        draft.rename(self.folder / f"{self.count:06}.eml")
        return "250 2.0.0 kept"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8431)
    for name in ("certificate", "key", "password-file", "mails"):
        parser.add_argument(f"--{name}", type=pathlib.Path, required=True)
    parser.add_argument("--user", required=True)
    return parser.parse_args()


def login_of(user, password):
    def check(_server, _session, _envelope, _mechanism, data):
        fits = getattr(data, "login", b"") == user.encode() and getattr(data, "password", b"") == password.encode()
        return AuthResult(success=fits, handled=False)
    return check


async def serve(options):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.certificate, options.key)
    keeper = Keeper(options.mails)
    check = login_of(options.user, options.password_file.read_text(encoding="utf-8").rstrip("\n"))
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def connection():
        return SMTP(keeper, hostname="mail.demo", tls_context=context, require_starttls=True, auth_required=True,
                    auth_require_tls=True, authenticator=check, enable_SMTPUTF8=True, loop=loop)

    server = await loop.create_server(connection, "127.0.0.1", options.port)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    print(f"mail server: 127.0.0.1:{options.port}", flush=True)
    await stop.wait()
    server.close()
    await server.wait_closed()


asyncio.run(serve(arguments()))
