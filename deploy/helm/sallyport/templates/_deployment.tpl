{{/* The Deployment of a role: { root, role }. Both roles differ in their command and in what their values say. */}}
{{- define "sallyport.deployment" -}}
{{- $root := .root -}}
{{- $role := .role -}}
{{- $values := $root.Values -}}
{{- $own := index $values $role -}}
{{- $settings := merge (dict) $own.settings $values.settings -}}
{{- $secrets := merge (dict) $own.secrets $values.secrets -}}
{{- $scheme := include "sallyport.scheme" $root -}}
{{- $hasConfig := or $values.configFile.configMap $values.configFile.secret -}}
{{- $workspace := and (eq $role "worker") $own.workspaceSize -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "sallyport.fullname" $root }}-{{ $role }}
  namespace: {{ $root.Release.Namespace }}
  labels:
    {{- include "sallyport.labels" $root | nindent 4 }}
    app.kubernetes.io/component: {{ $role }}
spec:
  {{- if not $own.autoscaling.enabled }}
  replicas: {{ $own.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  # A pod is added and ready before one is taken away.
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxUnavailable: 0
      maxSurge: 1
  selector:
    matchLabels:
      {{- include "sallyport.selector" $root | nindent 6 }}
      app.kubernetes.io/component: {{ $role }}
  template:
    metadata:
      labels:
        {{- include "sallyport.labels" $root | nindent 8 }}
        app.kubernetes.io/component: {{ $role }}
        {{- with $own.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      {{- with $own.podAnnotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      serviceAccountName: {{ include "sallyport.fullname" $root }}
      automountServiceAccountToken: false
      # Variables of services begin with SALLYPORT_ where the release is called so.
      enableServiceLinks: false
      # {{ $own.preStopSeconds }} s before SIGTERM, {{ $values.graceSeconds }} s of SALLYPORT_GRACE, and 5 s in which a process that overran it ends by itself.
      terminationGracePeriodSeconds: {{ add $own.preStopSeconds $values.graceSeconds 5 }}
      securityContext:
        runAsNonRoot: true
        runAsUser: {{ $values.user }}
        runAsGroup: {{ $values.user }}
        fsGroup: {{ $values.user }}
        fsGroupChangePolicy: OnRootMismatch
        seccompProfile:
          type: RuntimeDefault
      {{- with $values.image.pullSecrets }}
      imagePullSecrets:
        {{- range . }}
        - name: {{ . }}
        {{- end }}
      {{- end }}
      topologySpreadConstraints:
        {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          # Of one revision only, so that a rolling upgrade ends spread out as well.
          matchLabelKeys: [pod-template-hash]
          labelSelector:
            matchLabels:
              {{- include "sallyport.selector" $root | nindent 14 }}
              app.kubernetes.io/component: {{ $role }}
        {{- end }}
      {{- with $own.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      containers:
        - name: {{ $role }}
          {{- if $values.image.digest }}
          image: "{{ $values.image.repository }}@{{ $values.image.digest }}"
          {{- else }}
          image: "{{ $values.image.repository }}:{{ $values.image.tag | default $root.Chart.AppVersion }}" # digest: set at release
          {{- end }}
          imagePullPolicy: IfNotPresent
          # The image's entry point is the command line of the product.
          args: [{{ $role }}]
          ports:
            - name: {{ $scheme }}
              containerPort: 8787
          env:
            # Of both roles: the listener of an ingress, health and metrics of a worker.
            - name: PORT
              value: "8787"
            - name: SALLYPORT_GRACE
              value: {{ $values.graceSeconds }}s
            {{- range $name, $value := $settings }}
            - name: {{ $name }}
              value: {{ $value | quote }}
            {{- end }}
            {{- range $name, $_ := $secrets }}
            - name: {{ $name }}_FILE
              value: /etc/sallyport/secrets/{{ $name }}
            {{- end }}
            {{- if $hasConfig }}
            - name: SALLYPORT_CONFIG
              value: /etc/sallyport/config/{{ $values.configFile.key }}
            {{- end }}
            {{- if $values.tls.secret }}
            - name: SALLYPORT_TLS_CERT
              value: /etc/sallyport/tls/tls.crt
            - name: SALLYPORT_TLS_KEY
              value: /etc/sallyport/tls/tls.key
            {{- if $values.tls.clientCa.secret }}
            - name: SALLYPORT_TLS_CLIENT_CA
              value: /etc/sallyport/tls-clients/{{ $values.tls.clientCa.key }}
            {{- end }}
            {{- end }}
            {{- if $values.internalCa.secret }}
            # Read by Node itself, in addition to the public authorities.
            - name: NODE_EXTRA_CA_CERTS
              value: /etc/sallyport/ca/{{ $values.internalCa.key }}
            {{- end }}
          securityContext:
            allowPrivilegeEscalation: false
            privileged: false
            readOnlyRootFilesystem: true
            capabilities:
              drop: [ALL]
          # A minute to start; a start takes half a second where nothing else runs (bench/README.md, "Ingress").
          startupProbe:
            httpGet: &health { path: /health, port: {{ $scheme }}, scheme: {{ upper $scheme }} }
            periodSeconds: 2
            timeoutSeconds: 2
            failureThreshold: 30
          livenessProbe:
            httpGet: *health
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          # The process itself waits for three failures before it says that it is not ready (docs/health.md).
          readinessProbe:
            httpGet: { path: /ready, port: {{ $scheme }}, scheme: {{ upper $scheme }} }
            periodSeconds: 5
            timeoutSeconds: 2
            failureThreshold: 1
          {{- if $own.preStopSeconds }}
          lifecycle:
            preStop:
              sleep:
                seconds: {{ $own.preStopSeconds }}
          {{- end }}
          resources:
            {{- toYaml $own.resources | nindent 12 }}
          volumeMounts:
            - name: secrets
              mountPath: /etc/sallyport/secrets
              readOnly: true
            {{- range $values.tenantSecrets }}
            - name: tenant-{{ .name }}
              mountPath: /etc/sallyport/tenants/{{ .name }}
              readOnly: true
            {{- end }}
            {{- if $hasConfig }}
            - name: config
              mountPath: /etc/sallyport/config
              readOnly: true
            {{- end }}
            {{- if $values.tls.secret }}
            - name: tls
              mountPath: /etc/sallyport/tls
              readOnly: true
            {{- if $values.tls.clientCa.secret }}
            - name: tls-clients
              mountPath: /etc/sallyport/tls-clients
              readOnly: true
            {{- end }}
            {{- end }}
            {{- if $values.internalCa.secret }}
            - name: ca
              mountPath: /etc/sallyport/ca
              readOnly: true
            {{- end }}
            {{- if $workspace }}
            - name: workspace
              mountPath: /workspace
            {{- end }}
      # Mode 288 is 0440: the group of the pod reads, and nothing is written.
      volumes:
        - name: secrets
          projected:
            defaultMode: 288
            sources:
              {{- range $name, $from := $secrets }}
              - secret:
                  name: {{ $from.secret }}
                  items:
                    - key: {{ $from.key }}
                      path: {{ $name }}
              {{- end }}
        {{- range $values.tenantSecrets }}
        - name: tenant-{{ .name }}
          secret:
            secretName: {{ .secret }}
            defaultMode: 288
        {{- end }}
        {{- if $values.configFile.configMap }}
        - name: config
          configMap:
            name: {{ $values.configFile.configMap }}
            defaultMode: 288
        {{- else if $values.configFile.secret }}
        - name: config
          secret:
            secretName: {{ $values.configFile.secret }}
            defaultMode: 288
        {{- end }}
        {{- if $values.tls.secret }}
        - name: tls
          secret:
            secretName: {{ $values.tls.secret }}
            defaultMode: 288
        {{- if $values.tls.clientCa.secret }}
        - name: tls-clients
          secret:
            secretName: {{ $values.tls.clientCa.secret }}
            defaultMode: 288
        {{- end }}
        {{- end }}
        {{- if $values.internalCa.secret }}
        - name: ca
          secret:
            secretName: {{ $values.internalCa.secret }}
            defaultMode: 288
        {{- end }}
        {{- if $workspace }}
        - name: workspace
          emptyDir:
            sizeLimit: {{ $own.workspaceSize }}
        {{- end }}
{{- end -}}
