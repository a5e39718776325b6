"""The bytes that a step holds, by component."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch._guards import active_fake_mode
from torch.distributed._tools.mem_tracker import MemTracker, _RefType
from torch.distributed.tensor import DTensor
from torch.distributed.tensor._op_schema import OpSchema
from torch.distributed.tensor._sharding_prop import ShardingPropagator
from torch.optim import Optimizer
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from groundup.plan.simulate.collectives import Sent

_c10d = torch.ops.c10d
_WAIT: Final = torch.ops._c10d_functional.wait_tensor.default


class Component(_RefType):
    """What memory is held for."""

    WEIGHTS = "weights"
    MASTER_WEIGHTS = "master_weights"
    GRADIENTS = "gradients"
    OPTIMIZER = "optimizer"
    ACTIVATIONS = "activations"
    """Made in the forward pass, that of a recomputation aside."""
    LOGITS = "logits"
    """Made by the loss: logits, their copies, and the gradient of head and features that it takes at once."""
    GATHERED = "gathered"
    """Weights brought together from the ranks that share them."""
    BUFFERS = "buffers"
    """Of communication."""
    TEMPORARIES = "temporaries"
    """Made in the backward pass or the update, and the model's tables."""


class Tracker(MemTracker):  # type: ignore[no-untyped-call]
    """Torch's memory tracker, which sees every tensor that an operation makes, with components of our own.

    Storages are counted once, from the operation that makes them until the last tensor that uses them is gone: what a kernel takes
    and frees within itself is not seen. Torch's own tells its components by hooks around each module, which cost most of its time;
    they are left out. DTensors find out shapes by making the whole of what a rank has a part of: that is not seen, either.
    """

    def __init__(self, sent: Sent | None = None) -> None:
        """Count in `sent` what the rank sends."""
        super().__init__()
        self._ref_class = Component
        self._made: Component | None = None
        self._sent = sent
        self._is_paused = False
        self._propagate = ShardingPropagator._propagate_tensor_meta_non_cached

    def hold(self, tensors: Iterable[Tensor], component: Component) -> None:
        """Count tensors as this component, those that are tracked already too."""
        for tensor in tensors:
            for dense in _dense(tensor):
                self._update_and_maybe_create_winfos(dense, component)

    def hold_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Count the gradients of parameters as such from when they are whole."""
        for parameter in parameters:
            parameter.register_post_accumulate_grad_hook(self._take_gradient)  # type: ignore[no-untyped-call]

    def hold_states(self, optimizer: Optimizer) -> None:
        """Count what the optimizer keeps after each step as its own."""

        def take(stepped: Optimizer, args: Any, kwargs: Any) -> None:
            states = (state.values() for state in stepped.state.values())
            self.hold((value for values in states for value in values if isinstance(value, Tensor)), Component.OPTIMIZER)

        optimizer.register_step_post_hook(take)

    @contextlib.contextmanager
    def making(self, component: Component) -> Iterator[None]:
        """Count what is made inside as this component."""
        before, self._made = self._made, component
        try:
            yield
        finally:
            self._made = before

    @property
    def peak(self) -> dict[str, int]:
        """The most bytes that were held at once, by component."""
        snapshot = self._peak_mem_snap.get(torch.device("cpu"), {})
        return {component.value: int(snapshot.get(component, 0)) for component in Component}

    def _take_gradient(self, parameter: Tensor) -> None:
        if parameter.grad is not None:
            self.hold([parameter.grad], Component.GRADIENTS)

    def __enter__(self) -> "Tracker":
        self._fake_mode_on_entry = active_fake_mode()
        self._track_resize()
        ShardingPropagator._propagate_tensor_meta_non_cached = self._unseen()  # type: ignore[method-assign, assignment]
        TorchDispatchMode.__enter__(self)  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *error: Any) -> None:
        self._restore_resize()
        ShardingPropagator._propagate_tensor_meta_non_cached = self._propagate  # type: ignore[method-assign]
        TorchDispatchMode.__exit__(self, *error)  # type: ignore[no-untyped-call]

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if any(issubclass(kind, DTensor) for kind in types):
            return NotImplemented  # its operations on the ranks' own parts come here by themselves
        result = args[0] if func is _WAIT else func(*args, **(kwargs or {}))
        if active_fake_mode() is self._fake_mode_on_entry and not self._is_paused:
            if self._sent is not None:
                self._sent.note(func, args)
            component = self._component()
            for made in tree_leaves(result):
                for dense in _dense(made) if isinstance(made, Tensor) else ():
                    self._track(component, dense)
            self._hold_shared(func, args)
            self._keep_peak()
        return result

    def _unseen(self) -> Callable[[ShardingPropagator, OpSchema], Any]:
        """Return what finds out the shape of a DTensor, the tracker looking away."""

        def propagate(propagator: ShardingPropagator, schema: OpSchema) -> Any:
            self._is_paused = True
            try:
                return self._propagate(propagator, schema)
            finally:
                self._is_paused = False

        return propagate

    def _hold_shared(self, func: Any, args: Any) -> None:
        """Tell apart what ranks that share weights exchange."""
        if func is _c10d._allgather_base_.default:
            self.hold([args[0]], Component.GATHERED)
        elif func is _c10d._reduce_scatter_base_.default:
            self.hold([args[0]], Component.GRADIENTS)
            self.hold([args[1]], Component.BUFFERS)

    def _component(self) -> Component:
        if self._made is not None:
            return self._made
        return Component.TEMPORARIES if self._mod_tracker.is_bw or not torch.is_grad_enabled() else Component.ACTIVATIONS

    def _keep_peak(self) -> None:
        for device, held in self._curr_mem_snap.items():
            if held["Total"] > self._peak_mem.get(device, 0):
                self._peak_mem[device] = held["Total"]
                self._peak_mem_snap[device] = dict(held)


def _dense(tensor: Tensor) -> tuple[Tensor, ...]:
    """Return the tensors that hold a tensor's numbers: of rows of an embedding's gradient, their places and values."""
    return (tensor._indices(), tensor._values()) if tensor.layout is torch.sparse_coo else (tensor,)
