"""An adapter on gRPC's own server for Python: reflection in the older version only, health, a read and a write.

Prints its port. Its server closes connections that ping more often than gRPC allows, as those of all languages but Rust do.
"""

from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

SERVICE = "shop.v1.ShopService"

# (mcphub.tool.v1.tool) = {}: number 50001, no bytes.
TOOL = b"\x8a\xb5\x18\x00"


def contract():
    file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop.v1", syntax="proto3")
    file.message_type.add(name="Request")
    response = file.message_type.add(name="Response")
    response.field.add(name="name", number=1, label=1, type=9, json_name="name")
    service = file.service.add(name="ShopService")
    for index, (name, comment) in enumerate([("Find", "Finds goods."), ("Buy", "Buys goods.")]):
        method = service.method.add(name=name, input_type=".shop.v1.Request", output_type=".shop.v1.Response")
        if name == "Find":
            method.options.idempotency_level = descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
        method.options.MergeFromString(TOOL)
        file.source_code_info.location.add(path=[6, 0, 2, index], span=[0, 0, 0], leading_comments=comment)
    return file.SerializeToString()


class Reflection(reflection_pb2_grpc.ServerReflectionServicer):
    def ServerReflectionInfo(self, requests, context):
        for request in requests:
            answer = reflection_pb2.ServerReflectionResponse(original_request=request)
            if request.HasField("list_services"):
                answer.list_services_response.service.add(name=SERVICE)
            else:
                answer.file_descriptor_response.file_descriptor_proto.append(contract())
            yield answer


def answer(request, context):
    return b"\n\x03tea"


def main():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(Reflection(), server)
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    method = grpc.unary_unary_rpc_method_handler(answer)
    handlers = grpc.method_handlers_generic_handler(SERVICE, {"Find": method, "Buy": method})
    server.add_generic_rpc_handlers([handlers])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print(port, flush=True)
    server.wait_for_termination()


main()
