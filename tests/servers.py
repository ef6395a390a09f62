"""An S3 server (moto) and an HTTPS server (aiohttp) over one folder, for tests/remote.rs.

    servers.py FOLDER

Writes ca.pem into FOLDER, serves FOLDER/files by both, and over HTTP, prints `READY s3_port https_port http_port` and ends
when its standard input does. Of the HTTPS and HTTP servers, /plain/NAME ignores ranges, /denied/NAME is refused and
/busy/NAME answers 503; every request is written to FOLDER/requests.log as METHOD PATH RANGE.
"""

import asyncio
import ssl
import sys
from pathlib import Path

import boto3
import trustme
from aiohttp import web
from moto.server import ThreadedMotoServer

BUCKET = "tiles"


def serve_s3(files: Path) -> int:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://{host}:{port}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=BUCKET)
    for file in sorted(files.rglob("*")):
        if file.is_file():
            client.upload_file(str(file), BUCKET, str(file.relative_to(files)))
    return port


def application(files: Path, log: Path) -> web.Application:
    @web.middleware
    async def note(request: web.Request, handler):
        with log.open("a") as out:
            out.write(f"{request.method} {request.path_qs} {request.headers.get('Range', '-')}\n")
        return await handler(request)

    async def plain(request: web.Request) -> web.Response:
        return web.Response(body=(files / request.match_info["name"]).read_bytes())

    async def denied(request: web.Request) -> web.Response:
        return web.Response(status=403)

    async def busy(request: web.Request) -> web.Response:
        return web.Response(status=503)

    app = web.Application(middlewares=[note])
    app.router.add_get("/plain/{name:.+}", plain)
    app.router.add_get("/denied/{name:.+}", denied)
    app.router.add_get("/busy/{name:.+}", busy)
    app.router.add_static("/", files)
    return app


async def serve(folder: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    runner = web.AppRunner(application(folder / "files", folder / "requests.log"))
    await runner.setup()
    ports = [serve_s3(folder / "files")]
    for tls in [context, None]:
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
        await site.start()
        ports.append(site._server.sockets[0].getsockname()[1])
    print("READY", *ports, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await runner.cleanup()


asyncio.run(serve(Path(sys.argv[1])))
