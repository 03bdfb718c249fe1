# Three targets: `cpu`, which a plain `docker build .` gives, `gpu` (`docker build --target gpu .`), and `full`.
# Every package is a wheel that brings its own libraries: nothing is compiled, and no Debian package is added.

FROM python:3.11-slim-bookworm AS base

# /cache is the home folder, so whatever a library keeps (Keras' weights, Matplotlib's fonts) lands in that one volume.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /cache --shell /usr/sbin/nologin pneumolens \
    && install --directory --owner=pneumolens --group=pneumolens /bundles /cache /data \
    && python3 -m venv /opt/venv

# HOME: a container started with another user id has none. PYTHONUNBUFFERED: logs appear when they are written.
# MPLBACKEND: there is no display. PNEUMOLENS_BUNDLES: bundles are looked up there first, then among those in the image.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/cache \
    PYTHONUNBUFFERED=1 \
    MPLBACKEND=Agg \
    PNEUMOLENS_BUNDLES=/bundles \
    PNEUMOLENS_CACHE=/cache

WORKDIR /srv/pneumolens
VOLUME ["/bundles", "/cache", "/data"]
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 CMD ["python", "-c", \
    "import urllib.request as r; r.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=4)"]
CMD ["python", "-m", "app", "--host", "0.0.0.0", "--port", "8501"]


FROM scratch AS product
COPY LICENSE ./
COPY data_samples ./data_samples
COPY models ./models
COPY training ./training
COPY app ./app


# The packages come before the product: that layer is built again only when its lock file changes. pip compiles what it
# installs; the user who runs the app may not write there, and each start would compile anew.
FROM base AS gpu
COPY requirements-gpu.lock ./
# Headers to compile against, a C++ parser that nothing loads and the packages' own tests go again.
RUN pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --requirement requirements-gpu.lock \
    && cd /opt/venv/lib/python3*/site-packages && rm -rf tensorflow/include nvidia/*/include clang \
    && find . -type d -name tests -prune -exec rm -rf {} +
# TensorFlow by itself finds only some of the CUDA libraries that came as wheels: tell the loader where they all are.
RUN printf '%s\n' /opt/venv/lib/python3*/site-packages/nvidia/*/lib >/etc/ld.so.conf.d/nvidia-wheels.conf && ldconfig
COPY --from=product / ./
USER pneumolens
# A GPU that was not given, or does not compute, must not go unnoticed. Without the last word the processor computes instead.
CMD ["python", "-m", "app", "--host", "0.0.0.0", "--port", "8501", "--require-gpu"]


# Every command, on a processor: `docker build --target full .` The next stage leaves TensorFlow out, two thirds of the size.
FROM base AS full
COPY requirements.lock ./
RUN pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --requirement requirements.lock \
    && cd /opt/venv/lib/python3*/site-packages && rm -rf tensorflow/include clang \
    && find . -type d -name tests -prune -exec rm -rf {} +
COPY --from=product / ./
# The networks of the shipped bundle in OpenVINO's form, which only TensorFlow can make: whoever judges a film has made them.
RUN PNEUMOLENS_CACHE=/opt/converted python -m models predict data_samples/normal_1.jpeg --engine openvino-f32
ENV PNEUMOLENS_CONVERTED=/opt/converted/engines
USER pneumolens


# The page, the API, `predict`, and training on the frozen backbone of the shipped bundle. What serves other processors than
# this one goes, too: OpenVINO's plugins for Intel's GPUs and NPUs.
FROM base AS cpu
COPY requirements-light.lock ./
RUN pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --requirement requirements-light.lock \
    && cd /opt/venv/lib/python3*/site-packages && rm -f openvino/libs/libopenvino_intel_[gn]pu_* \
    && find . -type d \( -name tests -o -name include \) -prune -exec rm -rf {} +
COPY --from=product / ./
COPY --from=full /opt/converted/engines /opt/converted/engines
ENV PNEUMOLENS_CONVERTED=/opt/converted/engines
USER pneumolens
