"""MLflow's messages as msgspec structs, and what turns them into entities and back.

Source: the protobuf files of MLflow, mlflow/protos/*.proto.
"""
