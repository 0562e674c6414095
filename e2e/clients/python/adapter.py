"""A gRPC client without our .proto files: asks an adapter what it is (reflection v1alpha, health), and calls it.

Arguments: the address, and any number of `service/method` and JSON requests. Prints one JSON object.
"""

import json
import sys

import grpc
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

DEADLINE = 10


def call(channel, pool, path, request):
    service, method = path.split("/")
    method = pool.FindServiceByName(service).FindMethodByName(method)
    send = channel.unary_unary(
        f"/{path}",
        request_serializer=GetMessageClass(method.input_type).SerializeToString,
        response_deserializer=GetMessageClass(method.output_type).FromString,
    )
    message = json_format.ParseDict(json.loads(request), GetMessageClass(method.input_type)())
    try:
        return json_format.MessageToDict(send(message, timeout=DEADLINE), descriptor_pool=pool)
    except grpc.RpcError as error:
        return {"code": error.code().name, "message": error.details()}


def check(stub, service):
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=DEADLINE)
        return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    except grpc.RpcError as error:
        return error.code().name


def main():
    address, calls = sys.argv[1], sys.argv[2:]
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(DEADLINE)
        database = ProtoReflectionDescriptorDatabase(channel)
        pool = DescriptorPool(database)
        services = sorted(database.get_services())
        stub = health_pb2_grpc.HealthStub(channel)
        health = {service: check(stub, service) for service in ["", *services]}
        methods = {
            service: [method.name for method in pool.FindServiceByName(service).methods]
            for service in services
            if service.startswith("mcphub.")
        }
        answers = [call(channel, pool, path, request) for path, request in zip(calls[::2], calls[1::2])]
        print(json.dumps({"services": services, "methods": methods, "health": health, "answers": answers}))


main()
