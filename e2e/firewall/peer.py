"""Either end of a connection: `serve ADDRESS:PORT..` answers each with a byte, `probe ADDRESS:PORT..` says what came of each."""

import socket
import sys
import threading

# Nothing here is further away than a bridge; other tests run at the same time.
PATIENCE = 2


def split(name):
    host, port = name.rsplit(":", 1)
    return host.strip("[]"), int(port)


def serve(name):
    host, port = split(name)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((host, port))
    listener.listen()
    return listener


def answer(listener):
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"!")


def probe(name, results):
    try:
        with socket.create_connection(split(name), PATIENCE) as connection:
            results[name] = "open" if connection.recv(1) else "closed at once"
    except TimeoutError:
        results[name] = "silent"
    except ConnectionRefusedError:
        results[name] = "refused"
    except OSError as error:
        results[name] = error.strerror


def main(command, *names):
    if command == "serve":
        threads = [threading.Thread(target=answer, args=[serve(name)]) for name in names]
        # Whoever waits for this line can connect.
        print("serving", flush=True)
    else:
        results = {}
        threads = [threading.Thread(target=probe, args=[name, results]) for name in names]
    for thread in threads:
        thread.start()
    if command == "probe":
        for thread in threads:
            thread.join()
        for name in names:
            print(name, results[name])


main(*sys.argv[1:])
