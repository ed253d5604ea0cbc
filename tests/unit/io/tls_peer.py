# SPDX-License-Identifier: MIT
"""An SMTP server that insists on STARTTLS and AUTH, and an HTTPS server. Argument: folder of cert.pem and key.pem.
Says "ready SMTP-PORT HTTPS-PORT" when both listen, and ends with its standard input."""
import http.server
import random
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

FOLDER = sys.argv[1]


def on_some_port(start):
    """What start(port) returns for the first port that is free, below those the kernel gives to clients."""
    while True:
        port = random.SystemRandom().randrange(12000, 20000)
        try:
            return start(port), port
        except OSError:
            pass


class Mailbox:
    async def handle_DATA(self, server, session, envelope):
        secure = session.ssl is not None
        return f"250 tls={secure} user={session.auth_data} to={envelope.rcpt_tos[0]} bytes={len(envelope.content)}"


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"secure")

    def log_message(self, *arguments):
        pass


def authenticate(server, session, envelope, mechanism, data):
    fits = data.login == b"user" and data.password == b"s3cret"
    return AuthResult(success=fits, handled=False, auth_data="user")


tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
tls.load_cert_chain(FOLDER + "/cert.pem", FOLDER + "/key.pem")


def start_mail(port):
    controller = Controller(Mailbox(), hostname="127.0.0.1", port=port, tls_context=tls, require_starttls=True,
                            authenticator=authenticate, auth_required=True)
    controller.start()
    return controller


mail, smtp_port = on_some_port(start_mail)
web, https_port = on_some_port(lambda port: http.server.ThreadingHTTPServer(("127.0.0.1", port), Page))
web.socket = tls.wrap_socket(web.socket, server_side=True)
threading.Thread(target=web.serve_forever, daemon=True).start()
print(f"ready {smtp_port} {https_port}", flush=True)
sys.stdin.read()
mail.stop()
