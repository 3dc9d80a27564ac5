#!/usr/bin/env python3
"""Forward a loopback port byte by byte, on request with a delay in each direction.

usage: forward.py PORT unix:PATH|HOST:PORT [ROUND-TRIP-MILLISECONDS]
The first bytes of a connection wait one round trip more, as a TCP handshake over such a line would.
"""
import asyncio
import sys


async def pipe(source, sink, delay):
    """Each chunk leaves `delay` seconds after it came in; chunks do not wait for one another."""
    queue, clock = asyncio.Queue(maxsize=1024), asyncio.get_running_loop()

    async def read():
        try:
            while chunk := await source.read(1 << 16):
                await queue.put((clock.time() + delay, chunk))
        except ConnectionError:
            pass
        await queue.put((clock.time() + delay, b""))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, chunk = await queue.get()
            await asyncio.sleep(max(0.0, due - clock.time()))
            if not chunk:
                break
            sink.write(chunk)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    except ConnectionError:
        pass
    finally:
        reading.cancel()


async def main(port, target, round_trip):
    async def connect():
        if target.startswith("unix:"):
            return await asyncio.open_unix_connection(target.removeprefix("unix:"))
        host, _, number = target.rpartition(":")
        return await asyncio.open_connection(host, int(number))

    async def serve(client_reader, client_writer):
        await asyncio.sleep(round_trip)
        try:
            reader, writer = await connect()
        except OSError:
            client_writer.close()
            return
        await asyncio.gather(pipe(client_reader, writer, round_trip / 2), pipe(reader, client_writer, round_trip / 2))
        writer.close()
        client_writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    await server.serve_forever()


asyncio.run(main(int(sys.argv[1]), sys.argv[2], float(sys.argv[3]) / 1000 if len(sys.argv) > 3 else 0.0))
