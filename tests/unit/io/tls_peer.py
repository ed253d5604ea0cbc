# SPDX-License-Identifier: MIT
"""An SMTP server that insists on STARTTLS and AUTH, and an HTTPS server. Arguments: folder of cert.pem and key.pem,
SMTP port, HTTPS port. Says "ready" when both listen, and ends with its standard input."""
import http.server
import ssl
import sys
import threading

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

FOLDER, SMTP_PORT, HTTPS_PORT = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])


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
mail = Controller(Mailbox(), hostname="127.0.0.1", port=SMTP_PORT, tls_context=tls, require_starttls=True,
                  authenticator=authenticate, auth_required=True)
mail.start()
web = http.server.HTTPServer(("127.0.0.1", HTTPS_PORT), Page)
web.socket = tls.wrap_socket(web.socket, server_side=True)
threading.Thread(target=web.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
mail.stop()
