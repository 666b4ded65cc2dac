"""A SCIM service of many kinds, in memory.

It listens on a port of its own choice on 127.0.0.1, prints `PORT=…` once it does, and ends with its standard input. Each path
`/PROFILE.NAME/v2` is a service of its own, empty when it is first asked. It takes the bearer token of the environment variable
TOKEN and no other. What a profile lacks is really lacking, and announced as such:

  default   everything
  bare      no PATCH, no ETag, no filter, no sort
  cursor    lists by cursor only (RFC 9865), pages of 7
  small     pages of 7
  flat      no groups within groups
"""

import copy
import os
import sys
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

from scim2_models import ResourceType, Schema, ScimProvider, ServiceProviderConfig
from scim2_server.applications.wsgi import TenantDispatcher
from scim2_server.memory import InMemoryStorage
from scim2_server.service import ScimService
from scim2_server.testserver.application import BEARER_TOKEN_SCHEME, BearerTokenApplication
from scim2_server.testserver.cli import ThreadingWSGIServer
from scim2_server.utils import load_json_resource

TOKEN = os.environ["TOKEN"]


def service(profile):
    config = load_json_resource("default-service-provider-config.json")
    schemas = copy.deepcopy(load_json_resource("default-schemas.json"))
    page = {"index": True, "cursor": False, "defaultPaginationMethod": "index", "defaultPageSize": 100, "maxPageSize": 100}
    if profile == "bare":
        for part in ("patch", "etag", "filter", "sort"):
            config[part] = {"supported": False}
        config["filter"]["maxResults"] = 1000
    elif profile == "cursor":
        page = {"index": False, "cursor": True, "defaultPaginationMethod": "cursor", "defaultPageSize": 7, "maxPageSize": 7}
    elif profile == "small":
        config["filter"]["maxResults"] = 7
    elif profile == "flat":
        for schema in schemas:
            for attribute in schema["attributes"]:
                for inner in attribute.get("subAttributes") or []:
                    if schema["name"] == "Group" and inner["name"] == "type":
                        inner["canonicalValues"] = ["User"]
    elif profile != "default":
        return None
    config["pagination"] = page
    config = ServiceProviderConfig.model_validate(config)
    config.authentication_schemes = [BEARER_TOKEN_SCHEME]
    types = [ResourceType.model_validate(it) for it in load_json_resource("default-resource-types.json")]
    provider = ScimProvider.from_discovery([Schema.model_validate(it) for it in schemas], types, config=config)
    return provider, ScimService(provider, secret="cursors of one process")


SERVICES = {}


def application(tenant):
    profile = tenant.split(".")[0]
    if profile not in SERVICES:
        SERVICES[profile] = service(profile)
    if SERVICES[profile] is None:
        return None
    provider, it = SERVICES[profile]
    return BearerTokenApplication(InMemoryStorage(), provider, service=it, bearer_tokens=[TOKEN])


class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass


class Server(ThreadingWSGIServer):
    request_queue_size = 256


def wait_for_the_end():
    sys.stdin.buffer.read()
    os._exit(0)


threading.Thread(target=wait_for_the_end, daemon=True).start()
with make_server("127.0.0.1", 0, TenantDispatcher(application), server_class=Server, handler_class=Quiet) as server:
    print(f"PORT={server.server_port}", flush=True)
    server.serve_forever()
