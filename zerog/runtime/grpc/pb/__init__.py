"""Protocol buffers of every gRPC server: each `.proto` beside the classes that `make proto` generates from it."""

__all__: list[str] = []
