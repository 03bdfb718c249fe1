# Two targets: `cpu`, which a plain `docker build .` gives, and `gpu` (`docker build --target gpu .`).
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
RUN pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --requirement requirements-gpu.lock
# TensorFlow by itself finds only some of the CUDA libraries that came as wheels: tell the loader where they all are.
RUN printf '%s\n' /opt/venv/lib/python3*/site-packages/nvidia/*/lib >/etc/ld.so.conf.d/nvidia-wheels.conf && ldconfig
# TensorFlow would otherwise take all of the GPU's memory at once, and leave none for a training run beside the app.
ENV TF_FORCE_GPU_ALLOW_GROWTH=true
COPY --from=product / ./
USER pneumolens
# A GPU that is there but does not compute must not go unnoticed: one convolution first.
CMD ["sh", "-c", "python -m models device --require-gpu && exec python -m app --host 0.0.0.0 --port 8501"]


FROM base AS cpu
COPY requirements.lock ./
RUN pip install --quiet --no-cache-dir --require-hashes --only-binary :all: --requirement requirements.lock
COPY --from=product / ./
USER pneumolens
