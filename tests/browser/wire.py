"""A wire between browser and server that can be cut.

It listens on a port of its own and passes bytes on in both directions. Cut, it drops every connection and takes none
until it is mended.
"""
import socket
import threading


class Wire:
    def __init__(self, port):
        self.target, self.limit, self.passed, self.broken = port, None, 0, False
        self.lock, self.open = threading.Lock(), set()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def cut_after(self, octets):
        """Cuts once so many more octets went to the server."""
        with self.lock:
            self.limit = self.passed + octets

    def cut(self):
        with self.lock:
            self.broken, self.limit = True, None
            for one in self.open:
                one.close()
            self.open.clear()

    def mend(self):
        self.broken = False

    def _serve(self):
        while True:
            near, _ = self.listener.accept()
            if self.broken:
                near.close()
                continue
            try:
                far = socket.create_connection(("127.0.0.1", self.target))
            except OSError:
                near.close()
                continue
            with self.lock:
                self.open.update((near, far))
            threading.Thread(target=self._pass, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, source, target, up):
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
                if up and self._counted(len(data)):
                    self.cut()
        except OSError:
            pass
        for one in (source, target):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _counted(self, octets):
        with self.lock:
            self.passed += octets
            return self.limit is not None and self.passed >= self.limit
