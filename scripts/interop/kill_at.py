#!/usr/bin/env python3
"""Run a client behind a counting HTTP proxy and kill it (SIGKILL) at one of its requests.

usage: kill_at.py PORT HOST:PORT NUMBER before|after COMMAND…
`before`: request NUMBER never reaches the registry. `after`: the registry has answered it, the client sees nothing of that.
Exit 0 when the client was killed there, 3 when it ended by itself with fewer requests. Prints how many requests it made.
"""
import asyncio
import sys

HEAD_LIMIT = 1 << 20


class Killer:
    def __init__(self, upstream, number, after):
        self.host, _, port = upstream.rpartition(":")
        self.port, self.number, self.after = int(port), number, after
        self.seen, self.killed, self.client = 0, False, None

    def kill(self):
        self.killed = True
        if self.client.returncode is None:
            self.client.kill()

    async def message(self, source, sink, answers_head=False, last=None):
        """One HTTP/1.1 message from source to sink; its first line, or None at the end. `last` withholds it."""
        try:
            head = await source.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines if line)}
        if last and last():
            return None
        sink.write(head)
        bodiless = answers_head or first.split()[1] in ("204", "304")
        if fields.get("transfer-encoding", "").lower() == "chunked" and not bodiless:
            size = 1
            while size:
                line = await source.readline()
                size = int(line.split(b";")[0], 16)
                sink.write(line + await source.readexactly(size + 2))
                await sink.drain()
        elif not bodiless:
            left = int(fields.get("content-length", 0))
            while left and (chunk := await source.read(min(left, 1 << 16))):
                sink.write(chunk)
                await sink.drain()
                left -= len(chunk)
        await sink.drain()
        return first

    async def serve(self, client_reader, client_writer):
        reader, writer = await asyncio.open_connection(self.host, self.port, limit=HEAD_LIMIT)

        class Nobody:  # takes the answer that the killed client does not see
            def write(self, _):
                pass

            async def drain(self):
                pass

        try:
            while not self.killed:
                mine = False

                def counted():
                    nonlocal mine
                    self.seen += 1
                    mine = self.seen == self.number
                    if mine and not self.after:
                        self.kill()
                    return self.killed

                first = await self.message(client_reader, writer, last=counted)
                if first is None:
                    break
                sink = Nobody() if mine else client_writer
                if await self.message(reader, sink, answers_head=first.startswith("HEAD ")) is None:
                    break
                if mine:
                    self.kill()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            client_writer.close()


async def main(port, upstream, number, when, *command):
    killer = Killer(upstream, int(number), when == "after")
    server = await asyncio.start_server(killer.serve, "127.0.0.1", int(port), limit=HEAD_LIMIT)
    killer.client = await asyncio.create_subprocess_exec(*command)
    await killer.client.wait()
    server.close()
    print(f"{killer.seen} requests, {'killed' if killer.killed else 'ended'}", file=sys.stderr)
    return 0 if killer.killed else 3


sys.exit(asyncio.run(main(*sys.argv[1:])))
