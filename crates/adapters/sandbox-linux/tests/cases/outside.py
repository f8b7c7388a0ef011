# What is around a host in the tests of ways out: `outside` is everything beyond it, `inside` is on the host itself.
import http.server, socket, socketserver, struct, subprocess, sys, threading

role = sys.argv[1]


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        # Answers with the caller's address; /reach/<host>/<port> tries to connect there.
        answer = self.client_address[0]
        if self.path.startswith("/reach/"):
            host, port = self.path.split("/")[2:]
            try:
                socket.create_connection((host, int(port)), 2).close()
                answer = "reached"
            except OSError:
                answer = "not reached"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(answer.encode())

    def log_message(self, *_):
        pass


class Server6(http.server.ThreadingHTTPServer):
    address_family = socket.AF_INET6


def start(server):
    threading.Thread(target=server.serve_forever, daemon=True).start()


def serve(address, port):
    start((Server6 if ":" in address else http.server.ThreadingHTTPServer)((address, port), Page))


def answer(question, address):
    # One question, one address.
    header = question[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0)
    end = question.index(b"\0", 12) + 5
    kind = struct.unpack(">H", question[end - 4:end - 2])[0]
    if kind != 1:
        return question[:2] + struct.pack(">HHHHH", 0x8180, 1, 0, 0, 0) + question[12:end]
    return header + question[12:end] + b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 1, 4) + socket.inet_aton(address)


class Datagram(socketserver.BaseRequestHandler):
    def handle(self):
        question, sock = self.request
        sock.sendto(answer(question, "203.0.113.10"), self.client_address)


class Connection(socketserver.BaseRequestHandler):
    def handle(self):
        length = struct.unpack(">H", self.request.recv(2))[0]
        reply = answer(self.request.recv(length), "203.0.113.99")
        self.request.sendall(struct.pack(">H", len(reply)) + reply)


socketserver.TCPServer.allow_reuse_address = True
if role == "outside":
    print("up", flush=True)
    sys.stdin.readline()
    for command in ["link set lo up", "addr add 192.0.2.254/24 dev far", "link set far up", "addr add 203.0.113.10/32 dev lo",
                    "addr add 169.254.169.254/32 dev lo", "route add 198.18.0.0/15 via 192.0.2.1"]:
        subprocess.run(["ip", *command.split()], check=True)
    serve("0.0.0.0", 80)
else:
    serve("0.0.0.0", 8080)
    serve("::1", 8080)
    serve("169.254.169.254", 80)
    for kind, handler in [(socketserver.UDPServer, Datagram), (socketserver.TCPServer, Connection)]:
        start(kind(("127.0.0.53", 53), handler))
print("ready", flush=True)
sys.stdin.readline()
